//! What a member and the ledger say to each other: plain data.

use std::time::Duration;

/// What one member tells the ledger about one scope, and what it asks for.
///
/// All that it says is absolute: what it holds, and how much it has settled in all. So an exchange that is lost, late or
/// doubled changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The member: random bits of its process and gate.
    pub member: u64,
    /// Rises with each exchange of this member. The first is 1.
    pub sequence: u64,
    /// The sequence of its youngest exchange whose reply has arrived. Zero if there is none.
    ///
    /// What was booked for it in a later reply is lost, and not free before its time.
    pub last_reply: u64,
    /// For how long it may use what it holds if it is not heard of again.
    pub lease: Duration,
    /// The declared windows, the same ones in the same order for all members of a scope.
    pub windows: Vec<Window>,
    /// Its accounts, in the order of [`QuotaUnit`]. That of costs is always there, the others if a window counts in them.
    pub accounts: Vec<MemberAccount>,
    /// Whether the logs of its accounts hold all that it has settled within the longest window.
    pub tells_all: bool,
    /// The most members that it remembers.
    pub members_known: u32,
    /// A closing that a response of this member began since its last exchange.
    pub closing: Option<ScopeClosing>,
    /// Whether its user has opened the scope since its last exchange: before `closing`, and whatever has closed it.
    pub reopens: bool,
    /// How long ago it did so last. Rounded down. What any member has heard since stands.
    pub reopened_ago: Duration,
    /// How many of its calls were served since its last exchange.
    pub served: u32,
    /// What the youngest answer said is left of a published quota.
    pub counter: Option<Counter>,
    /// Whether the member ends, in order. What it still holds is booked or on its way, and counts as settled now.
    pub leaves: bool,
}

/// A declared limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// What it counts.
    pub unit: QuotaUnit,
    /// How much it holds.
    pub limit: u32,
    /// How long it is. Zero for calls in flight, which count until they are settled.
    pub length: Duration,
    /// How long after it was sent a call counts at the latest, if it is not answered.
    pub slack: Duration,
    /// Whether a counter that the server publishes takes its place while one is known.
    pub is_plan: bool,
}

/// What an account counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum QuotaUnit {
    /// What calls cost; one each, if nothing else was said.
    Cost,
    /// Calls, whatever they cost.
    Calls,
    /// Calls in flight, until the bodies of their responses have ended.
    InFlight,
}

/// What a member has of one unit, and what it wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberAccount {
    /// What was granted to it and is not settled: its stock and the calls on their way.
    pub held: u64,
    /// How much it has ever settled.
    pub settled: u64,
    /// How much of that the ledger has confirmed.
    pub confirmed: u64,
    /// What was settled since, or within the longest window if the exchange tells all: oldest first.
    pub log: Vec<Settled>,
    /// How much of the longest window's limit it has settled within that window.
    pub in_window: u64,
    /// What the first of its waiting calls needs.
    pub first: u32,
    /// What its waiting calls need in all. Is booked, if nothing is free.
    pub need: u32,
    /// What it will need soon. Is granted only while there is plenty.
    pub extra: u32,
}

/// Some calls that were answered, or whose slack was over, at about one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// How long ago. Rounded down: the youngest of them counts.
    pub age: Duration,
    /// How much they cost.
    pub count: u32,
}

/// A closing of the scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeClosing {
    /// For how much longer.
    pub remaining: Duration,
    /// Whether a call was refused. Else a served call has spent the last of a quota.
    pub is_refusal: bool,
    /// How long ago it began. Rounded down. One that is older than the last opening by a user is not noted.
    pub age: Duration,
}

/// What an answer says is left of a published quota. It counts what calls cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// How much there is in all.
    pub limit: u32,
    /// How much was left when the call was answered.
    pub remaining: u32,
    /// When it is filled up again, from now.
    pub resets_in: Duration,
    /// How much all members had settled when the call was granted: [`Reply::settled_by_all`] as it was then.
    pub settled_by_all: u64,
    /// What the call cost.
    pub cost: u32,
    /// How long ago it was answered. Rounded down. What was said before the last opening by a user is not noted.
    pub age: Duration,
}

/// The ledger's reply to an [`Exchange`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Whether the exchange was done, and if not, why.
    pub state: ReplyState,
    /// For how much longer the scope is closed.
    pub closed_for: Duration,
    /// How many members hold a lease, this one among them.
    pub members: u32,
    /// How much all members have ever settled, of what calls cost.
    pub settled_by_all: u64,
    /// How much is free now, of what calls cost.
    pub free: u32,
    /// If nothing of a unit was granted that is needed: when to ask again.
    pub ask_again_in: Duration,
    /// Whether a counter of the server is known that is not over.
    pub is_published: bool,
    /// What was granted, one list for each account of the exchange.
    pub grants: Vec<Vec<Granted>>,
    /// How often users have opened the scope. Where it has risen, only [`closed_for`](Self::closed_for) counts.
    pub reopened: u64,
    /// How much of each declared window is free now, in their order. Empty if the ledger does not say it.
    pub free_in_windows: Vec<u32>,
}

/// What became of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyState {
    /// All that was told is noted.
    #[default]
    Done,
    /// The ledger knows less than it has confirmed: the member has to tell all, and was granted nothing.
    TellAll,
    /// A younger exchange of this member was here before. Nothing was noted.
    Late,
}

/// Some of what was granted, and from when it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// From when, counted from the reply. Zero for what is free now, more for what was booked.
    pub from: Duration,
    /// How much.
    pub count: u32,
}
