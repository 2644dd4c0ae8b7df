//! Telegram bots, from these pages:
//!
//! * <https://core.telegram.org/bots/api#responseparameters>
//! * <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>

use crate::gate::Quota;
use crate::hint::Field;
use crate::policy::Provider;

/// Telegram bots: about 30 messages per second and bot, 1 per second and chat, 20 per minute and group.
///
/// * A refusal is a 429 whose body names the seconds: `parameters.retry_after`.
/// * The token of the bot is in the path, `/bot{token}/sendMessage`, so that one bot does not wait for
///   another. Only a keyed hash of it is kept.
///
/// Declared are the 30 per second. The chat is in the body of a request, which no policy sees: tell chats
/// apart with [`scope_by`](crate::RetryLayer::scope_by).
pub fn telegram() -> Provider {
    Provider::new("telegram")
        .page("https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this")
        .plan(Quota::per_second(30))
        .per_path_segment(0)
        .wait_from(Field::json("parameters.retry_after"))
}
