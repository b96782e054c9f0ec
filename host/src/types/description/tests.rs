use super::*;
use crate::types::{Field, Type};

fn description(functions: &[&str]) -> Description {
    let function = |full: &&str| {
        let (interface, name) = full
            .rsplit_once('#')
            .map_or((None, *full), |(i, name)| (Some(i.to_owned()), name));
        let params = vec![Field {
            name: "n".into(),
            ty: Type::S64,
        }];
        Function {
            interface,
            name: name.to_owned(),
            params,
            result: Some(Type::S64),
        }
    };
    Description {
        functions: functions.iter().map(function).collect(),
        uncallable: vec![("a:b/c@1.0.0#open".into(), "it is an async function".into())],
        sweeps: Vec::new(),
        imports: Vec::new(),
        wit: String::new(),
    }
}

#[test]
fn a_name_may_be_as_short_as_it_is_unique() {
    let it = description(&[
        "pool:tasks/arith@0.1.0#square",
        "pool:tasks/arith@0.1.0#cube",
        "a:b/shapes#cube",
        "run",
    ]);
    let names = [
        "square",
        "arith/square",
        "arith@0.1.0/square",
        "pool:tasks/arith/square",
    ];
    for name in names.into_iter().chain([
        "pool:tasks/arith@0.1.0/square",
        "pool:tasks/arith@0.1.0#square",
    ]) {
        assert_eq!(it.find(name), Ok(0), "{name}");
    }
    assert_eq!(it.find("arith/cube"), Ok(1));
    assert_eq!(it.find("shapes/cube"), Ok(2));
    assert_eq!(it.find("a:b/shapes#cube"), Ok(2));
    assert_eq!(it.find("run"), Ok(3));
    let error = it.find("cube").unwrap_err();
    assert_eq!(
        error.to_string(),
        "several functions are called `cube`: write `arith/cube` or `shapes/cube`"
    );
}

#[test]
fn a_function_of_the_world_wins_over_one_of_an_interface() {
    let it = description(&["a:b/c#run", "run", "a:b/c@1.0.0#go", "a:b/c@2.0.0#go"]);
    assert_eq!(it.find("run"), Ok(1));
    assert_eq!(it.find("c/run"), Ok(0));
    let error = it.find("c/go").unwrap_err();
    assert_eq!(
        error.to_string(),
        "several functions are called `c/go`: write `c@1.0.0/go` or `c@2.0.0/go`"
    );
}

#[test]
fn a_name_that_leads_nowhere_says_which_would() {
    let it = description(&[
        "pool:tasks/arith@0.1.0#square-root",
        "pool:tasks/arith@0.1.0#cube",
    ]);
    let said = |name: &str| it.find(name).unwrap_err().to_string();
    assert_eq!(
        said("square_root"),
        "no function `square_root`: the component exports `square-root`, `cube`; did you mean `square-root`?"
    );
    assert!(said("arith/cub").ends_with("did you mean `arith/cube`?"));
    assert!(said("other/cube").contains("no function"));
    for odd in [
        "",
        "#",
        "/",
        "arith/",
        "#cube",
        "/cube",
        "arith#cube",
        "cube#",
        "q".repeat(1 << 16).as_str(),
    ] {
        assert!(
            matches!(it.find(odd), Err(FindError::Unknown { .. })),
            "{odd}"
        );
    }
    assert!(said("open").contains("it is an async function"));
    let none = Description {
        functions: Vec::new(),
        ..it.clone()
    };
    assert!(
        none.find("f")
            .unwrap_err()
            .to_string()
            .contains("exports no function that can be called")
    );
    let many = description(&[
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n",
    ]);
    assert!(
        many.find("something")
            .unwrap_err()
            .to_string()
            .ends_with("`l` and 2 more")
    );
}
