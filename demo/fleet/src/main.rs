//! Processes of one machine share a quota through a file.
//!
//! ```text
//! cargo run --example fleet
//! cargo run --example fleet -- 8 2    # eight processes, of which two are killed
//! ```
//!
//! Four copies of this program call one API, first each by itself, and then with one ledger in a file.

use tower_backoff::BoxError;
use tower_backoff::fleet::file;
use tower_backoff_fleet_demo::{Member, Plan, Shares, play, print_table};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if let Some(member) = Member::from_args() {
        let layer = match &member.shares {
            Shares::Nothing => Member::layer(),
            Shares::Ledger(path) => Member::layer().fleet(file::open(path)?),
        };
        return member.work(layer).await;
    }
    let plan = Plan::from_args();
    let folder = std::env::temp_dir().join(format!("tower-backoff-fleet-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("limits").display().to_string();
    let alone = play("each by itself", plan, &Shares::Nothing).await?;
    let shared = play("with a ledger in a file", plan, &Shares::Ledger(path)).await?;
    std::fs::remove_dir_all(folder)?;
    print_table(&[
        ("each by itself", alone),
        ("with a ledger in a file", shared),
    ]);
    Ok(())
}
