use super::*;
use clap::CommandFactory;
use std::collections::BTreeSet;

fn parse(line: &str) -> Result<Command, clap::Error> {
    let words = typed(line.split(' ').map(OsString::from));
    Args::try_parse_from(words).map(|args| args.command)
}

fn map(line: &str) -> MapArgs {
    match parse(line) {
        Ok(Command::Map(args)) => args,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn no_two_options_of_a_command_have_the_same_name() {
    let mut commands = 0;
    for command in Args::command().get_subcommands() {
        commands += 1;
        let mut names = BTreeSet::new();
        for option in command.get_arguments() {
            let long = option.get_long().map(|name| format!("--{name}"));
            let short = option.get_short().map(|name| format!("-{name}"));
            for name in long.into_iter().chain(short) {
                assert!(names.insert(name.clone()), "{}: {name}", command.get_name());
            }
        }
    }
    assert!(commands > 5);
}

#[test]
fn options_may_stand_before_and_behind_items() {
    let args = map("host map arith square 1..=12 --workers 4 -3..=3 -5 --unordered");
    assert_eq!(args.items, ["1..=12", " -3..=3", " -5"]);
    assert_eq!(args.run.workers, Some(Workers::Count(4)));
    assert!(args.run.unordered);
    assert_eq!(args.run.chunk, None);
}

#[test]
fn every_option_is_read_into_what_it_measures() {
    let args = map(
        "host map m.wasm f --input - --chunk 8 --timeout 200ms --memory 64MiB --fuel 1000 --instance job \
         --max-jobs-per-worker 10 --max-fail 3 --dir .::/data:ro --env A=b --env C= --deadline 1m --format json -v",
    );
    assert_eq!(args.input, Some(PathBuf::from("-")));
    assert_eq!(
        (
            args.run.chunk,
            args.run.max_jobs_per_worker,
            args.run.max_fail
        ),
        (Some(8), Some(10), Some(3))
    );
    assert_eq!(args.run.deadline, Some(Duration::from_secs(60)));
    assert_eq!(args.guest.timeout, Some(Duration::from_millis(200)));
    assert_eq!(
        (args.guest.memory, args.guest.fuel),
        (Some(64 << 20), Some(1000))
    );
    assert_eq!(args.guest.instance, Instance::Job);
    assert_eq!(
        args.guest.env,
        [("A".into(), "b".into()), ("C".into(), "".into())]
    );
    assert!(args.guest.dir[0].read_only);
    assert_eq!(
        (args.output.format, args.output.verbose),
        (Format::Json, true)
    );
}

#[test]
fn wrong_lines_are_refused_with_code_2() {
    for line in [
        "host map arith square",
        "host map arith square 1 --input x",
        "host map arith square 1 --workers 0",
        "host map arith square 1 --timeout 200",
        "host call arith",
        "host mop arith square 1",
        "host",
    ] {
        assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
    }
}

#[test]
fn help_shows_the_exit_codes_and_every_command_two_examples() {
    let mut args = Args::command();
    let help = args.render_help().to_string();
    for (code, meaning) in exit::TABLE {
        assert!(help.contains(&format!("{code:<3}  {meaning}")), "{help}");
    }
    assert!(
        !help.contains("\n  worker"),
        "the command `worker` is hidden"
    );
    for command in args.get_subcommands_mut() {
        if command.is_hide_set() || command.get_name() == "help" {
            continue;
        }
        let help = command.render_help().to_string();
        let examples = help
            .split_once("Examples:\n")
            .map(|(_, examples)| examples.lines().count());
        assert_eq!(examples, Some(2), "{help}");
    }
}
