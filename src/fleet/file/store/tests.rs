//! The file, its lock, and the clock of the ledger in it.

use super::*;
use crate::fleet::ledger::{MemberAccount, QuotaUnit, ReplyState, ScopeClosing, Settled, Window};

const NOON: Duration = Duration::from_secs(1_700_000_000);
const NAME: ScopeName = ScopeName([7; 16]);

struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("tower-backoff-store-{}-{test}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn store(&self) -> Store {
        Store::at(&self.0.join("limits"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn said(member: u64, sequence: u64) -> Exchange {
    Exchange {
        member,
        sequence,
        lease: Duration::from_secs(5),
        accounts: vec![MemberAccount::default()],
        ..Exchange::default()
    }
}

fn closes(seconds: u64) -> Exchange {
    Exchange {
        closing: Some(ScopeClosing {
            remaining: Duration::from_secs(seconds),
            is_refusal: true,
            age: Duration::ZERO,
        }),
        ..said(1, 1)
    }
}

fn tell(store: &Store, exchange: &Exchange, wall: Duration) -> Reply {
    let exchanges = std::iter::once((NAME, exchange));
    store.exchange_at(exchanges, || wall).unwrap().remove(0)
}

#[test]
fn a_cooldown_of_an_hour_survives_a_restart() {
    let folder = Folder::new("restart");
    tell(&folder.store(), &closes(3_600), NOON);
    let later = NOON + Duration::from_secs(1_000);
    let reply = tell(&folder.store(), &said(2, 1), later);
    assert_eq!(reply.closed_for, Duration::from_secs(2_600));
}

#[test]
fn a_wall_clock_that_is_set_back_makes_no_closing_longer() {
    let folder = Folder::new("back");
    tell(&folder.store(), &closes(60), NOON);
    let day = Duration::from_secs(86_400);
    let reply = tell(&folder.store(), &said(2, 1), NOON - day);
    assert_eq!(
        reply.closed_for,
        Duration::from_secs(60),
        "from its first sight"
    );
    let later = NOON - day + Duration::from_secs(50);
    let reply = tell(&folder.store(), &said(3, 1), later);
    assert_eq!(reply.closed_for, Duration::from_secs(10));
    let again = tell(&folder.store(), &said(4, 1), NOON);
    assert_eq!(again.closed_for, Duration::ZERO, "set right again");
}

#[test]
fn a_damaged_file_is_renamed_and_begun_anew() {
    for (nth, damage) in [
        &b""[..],
        b"{",
        b"tower-backoff ledger 1 00\n{}",
        &[0xff; 100],
    ]
    .iter()
    .enumerate()
    {
        let folder = Folder::new(&format!("damaged-{nth}"));
        let store = folder.store();
        tell(&store, &closes(60), NOON);
        fs::write(&store.state, damage).unwrap();
        let reply = tell(&store, &said(2, 1), NOON);
        assert_eq!(
            (reply.state, reply.closed_for),
            (ReplyState::Done, Duration::ZERO)
        );
        assert_eq!(fs::read(&store.damaged).unwrap(), *damage);
        assert_eq!(tell(&store, &said(3, 1), NOON).members, 2, "and goes on");
    }
}

#[test]
fn one_byte_that_is_wrong_is_noticed() {
    let contents = Contents::default();
    let mut bytes = encode(&contents).unwrap();
    assert!(decode(&bytes).is_some());
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert!(decode(&bytes).is_none(), "at {at}");
        bytes[at] ^= 1;
    }
}

#[test]
fn the_secret_is_drawn_once_and_may_be_read_by_its_owner_alone() {
    let folder = Folder::new("secret");
    let secret = folder.store().secret().unwrap();
    assert_eq!(secret.len(), SECRET_BYTES);
    assert_eq!(folder.store().secret().unwrap(), secret);
    fs::write(folder.store().key, b"cut").unwrap();
    assert_ne!(folder.store().secret().unwrap(), secret);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        tell(&folder.store(), &said(1, 1), NOON);
        for path in [folder.store().key, folder.store().state] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o77, 0);
        }
    }
    let nowhere = Store::at(&folder.0.join("no/such/folder"));
    assert!(nowhere.secret().is_err());
}

#[test]
fn scopes_that_hold_nothing_are_forgotten_when_there_are_many() {
    let mut contents = Contents::default();
    for nth in 0..=MANY_SCOPES {
        contents.scopes.insert(nth.to_string(), LedgerState::new());
    }
    let mut closed = LedgerState::new();
    closed.exchange(&closes(60), NOON);
    contents.scopes.insert("closed".to_owned(), closed);
    contents.tidy(NOON);
    assert_eq!(contents.scopes.len(), 1);
}

#[test]
fn threads_that_exchange_at_once_lose_nothing() {
    let folder = Folder::new("threads");
    let threads: Vec<_> = (1..=4)
        .map(|member| {
            let store = folder.store();
            std::thread::spawn(move || {
                for sequence in 1..=50 {
                    let mut exchange = said(member, sequence);
                    exchange.accounts[0].settled = sequence - 1;
                    exchange.accounts[0].confirmed = sequence.saturating_sub(2);
                    let reply = tell(&store, &exchange, NOON);
                    assert_eq!(reply.state, ReplyState::Done);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let last = tell(&folder.store(), &said(9, 1), NOON);
    assert_eq!(last.settled_by_all, 4 * 49);
}

#[test]
fn a_quota_of_a_day_is_not_tidied_away_with_the_last_process() {
    let folder = Folder::new("day");
    let store = folder.store();
    let day = Window {
        unit: QuotaUnit::Cost,
        limit: 10,
        length: Duration::from_secs(86_400),
        slack: Duration::ZERO,
        is_plan: false,
    };
    let wants = |member| {
        let mut exchange = said(member, 1);
        exchange.windows = vec![day];
        exchange.accounts[0] = MemberAccount {
            first: 1,
            need: 10,
            ..MemberAccount::default()
        };
        exchange
    };
    let mut leaves = wants(1);
    leaves.accounts[0] = MemberAccount {
        settled: 10,
        log: vec![Settled {
            age: Duration::ZERO,
            count: 10,
        }],
        ..MemberAccount::default()
    };
    leaves.leaves = true;
    tell(&store, &leaves, NOON);
    let others = (0..MANY_SCOPES as u128 + 1).map(|nth| {
        let mut leaves = said(1, 1);
        leaves.leaves = true;
        (ScopeName(nth.to_be_bytes()), leaves)
    });
    let others: Vec<_> = others.collect();
    let each = others.iter().map(|(name, exchange)| (*name, exchange));
    let soon = NOON + Duration::from_secs(60);
    store.exchange_at(each, || soon).unwrap();
    let late = soon + Duration::from_secs(60);
    let reply = tell(&store, &wants(2), late);
    assert!(
        reply.grants[0]
            .iter()
            .all(|granted| !granted.from.is_zero())
    );
    assert_eq!(
        store.read().unwrap().scopes.len(),
        1,
        "the others are forgotten"
    );
}
