//! Completions that shells take, and a manual with every command in it.

use std::process::{Command, Output, Stdio};
use weir_tests::{build, root};

async fn weir(arguments: &[&str]) -> Output {
    let output = Command::new(&build::executables().await["weir"]).args(arguments).current_dir(root()).output();
    output.expect("weir starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The commands that `weir --help` lists, and below them those of their own.
const COMMANDS: [&[&str]; 37] = [
    &["up"],
    &["demo"],
    &["produce"],
    &["query"],
    &["watch"],
    &["report"],
    &["reconcile"],
    &["worker"],
    &["logs"],
    &["backfill"],
    &["bench"],
    &["bench", "init"],
    &["bench", "payloads"],
    &["bench", "memory"],
    &["bench", "cannon"],
    &["bench", "all"],
    &["bench", "payload"],
    &["bench", "s3"],
    &["check"],
    &["simulate"],
    &["tune"],
    &["quarantine"],
    &["quarantine", "ls"],
    &["quarantine", "show"],
    &["quarantine", "replay"],
    &["redrive"],
    &["rules"],
    &["rules", "show"],
    &["rules", "push"],
    &["rules", "test"],
    &["skip"],
    &["skip", "ls"],
    &["skip", "add"],
    &["skip", "rm"],
    &["completions"],
    &["man"],
    &["help"],
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_examples_and_a_page() {
    let dir = tempfile::tempdir().expect("a directory");
    let pages = dir.path().join("man1").display().to_string();
    assert!(weir(&["man", "--dir", &pages]).await.status.success());
    for command in COMMANDS.iter().filter(|command| command[0] != "help") {
        let help = text(&weir(&[*command, &["--help"]].concat()).await.stdout);
        assert!(help.contains("Usage: weir"), "{command:?}: {help}");
        // A command of commands leaves the examples to them.
        let has_own = COMMANDS.iter().any(|other| other.len() > command.len() && other[0] == command[0]);
        assert!(has_own || help.contains("Example"), "{command:?} has no example: {help}");
        let page = dir.path().join("man1").join(format!("weir-{}.1", command.join("-")));
        let page = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    let listed = text(&weir(&["--help"]).await.stdout);
    let listed = listed.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("a list");
    let listed = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    let unknown: Vec<_> = names.iter().filter(|name| !COMMANDS.iter().any(|command| command[0] == **name)).collect();
    assert_eq!(unknown, Vec::<&&str>::new(), "looked at above");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_standard_output_is_a_manual() {
    let output = weir(&["man"]).await;
    let page = text(&output.stdout);
    assert!(output.status.success() && page.contains(".TH weir 1"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_take_the_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = weir(&["completions", shell]).await;
        let script = text(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        for word in ["quarantine", "resolution", "watch"] {
            assert!(script.contains(word), "{shell}: {word} is not completed");
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), script).expect("written");
        match Command::new(shell).arg("-n").arg(file.path()).stdin(Stdio::null()).output() {
            Ok(read) => assert!(read.status.success(), "{shell} does not read it: {}", text(&read.stderr)),
            Err(_) => eprintln!("skipped: there is no {shell} to read its completions"),
        }
    }
    let complete =
        "source /dev/stdin; COMP_WORDS=(weir qu); COMP_CWORD=1; _weir weir qu weir; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash").args(["-c", complete]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(bash) = &mut bash else { return eprintln!("skipped: there is no bash to complete a word") };
    let script = weir(&["completions", "bash"]).await.stdout;
    std::io::Write::write_all(&mut bash.stdin.take().expect("piped"), &script).expect("bash reads");
    let mut found = String::new();
    std::io::Read::read_to_string(&mut bash.stdout.take().expect("piped"), &mut found).expect("bash writes");
    bash.wait().expect("bash ends");
    assert_eq!(found.split_whitespace().collect::<Vec<_>>(), ["query", "quarantine"]);
}
