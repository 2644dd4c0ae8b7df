//! The links of README.md and of the guides: each leads to a file, and to a heading in it.

use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let names = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "cli/README.md",
    ];
    let guides = read_dir(root.join("docs")).expect("the guides");
    let guides = guides.map(|entry| entry.unwrap().path());
    let guides = guides.filter(|path| path.extension().is_some_and(|end| end == "md"));
    names
        .map(|name| root.join(name))
        .into_iter()
        .chain(guides)
        .collect()
}

/// The targets of all links and pictures of a page, without those in code.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let targets = prose.flat_map(|part| part.split("](").skip(1));
    targets
        .filter_map(|rest| rest.split([')', ' ']).next())
        .collect()
}

/// The anchor of a heading, as the usual viewers of Markdown make it.
fn anchor(heading: &str) -> String {
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    let kept = heading.trim().to_lowercase();
    let kept: String = kept.chars().filter(is_kept).collect();
    kept.replace(' ', "-")
}

#[test]
fn every_relative_link_leads_to_a_heading_that_exists() {
    if !crate::is_repository() {
        return;
    }
    let mut count = 0;
    for page in pages() {
        let text = read_to_string(&page).expect("a page");
        for link in links(&text) {
            if link.starts_with("http") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().expect("its folder").join(path),
            };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let target = read_to_string(target).expect("a page");
                let headings = target.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#')));
                let found = anchors.any(|anchor| anchor == heading);
                assert!(found, "{}: {link}", page.display());
            }
            count += 1;
        }
    }
    assert!(count >= 80, "{count} links");
}

#[test]
fn no_link_of_the_readme_waits_for_a_publication() {
    let text = read_to_string(format!("{ROOT}/README.md")).expect("the README");
    let waits = |link: &&str| link.contains("tower-backoff") || link.contains("tower_backoff");
    let waiting: Vec<_> = links(&text).into_iter().filter(waits).collect();
    assert!(waiting.is_empty(), "{waiting:?}");
}
