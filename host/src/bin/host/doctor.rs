//! `host doctor`: which walls this machine can put around a worker, by starting one and asking it.

use crate::args::{DoctorArgs, Format};
use crate::exit::{self, Failure};
use crate::output;
use host::component::ComponentError;
use host::{BuildError, Pool, Sandbox, StartError, WallReport, WallState};
use serde_json::json;

pub(crate) fn doctor(args: DoctorArgs) -> Result<u8, Failure> {
    let (walls, missing) = match walls(Sandbox::Strict) {
        Ok(walls) => (walls, None),
        Err(
            error @ (BuildError::Start(StartError::Unprotected(_))
            | BuildError::Component(ComponentError::Unprotected(_))),
        ) => (walls(Sandbox::BestEffort)?, Some(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let text = match args.format {
        Format::Text => text(&walls, missing.as_deref()),
        Format::Json => json_lines(&walls, missing.as_deref()),
    };
    output::print(text.as_bytes())?;
    Ok(match missing {
        None => exit::DONE,
        Some(_) => exit::POOL_FAILED,
    })
}

/// What a worker reports that was really started. Its guest imports nothing, and is never called.
fn walls(sandbox: Sandbox) -> Result<Vec<WallReport>, BuildError> {
    let pool = Pool::builder()
        .component("bare")
        .workers(1)
        .sandbox(sandbox)
        .build()?;
    let workers = pool.stats().workers;
    Ok(workers
        .into_iter()
        .flat_map(|worker| worker.walls)
        .collect())
}

fn text(walls: &[WallReport], missing: Option<&str>) -> String {
    let mut text: String = walls
        .iter()
        .map(|report| format!("{:<22}{}\n", report.wall.name(), report.state))
        .collect();
    text += &match missing {
        None => "sandbox strict        works\n".to_owned(),
        Some(missing) => format!("sandbox strict        does not work: {missing}\n"),
    };
    text
}

fn json_lines(walls: &[WallReport], missing: Option<&str>) -> String {
    let walls = walls.iter().map(|report| {
        let (state, why) = match &report.state {
            WallState::On => ("on", None),
            WallState::Partial(why) => ("partial", Some(why)),
            WallState::Off(why) => ("off", Some(why)),
        };
        json!({ "wall": report.wall.name(), "state": state, "why": why })
    });
    let strict = json!({ "sandbox": "strict", "works": missing.is_none(), "why": missing });
    walls
        .chain([strict])
        .map(|line| format!("{line}\n"))
        .collect()
}
