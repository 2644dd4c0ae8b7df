//! The key under which secrets and the names of scopes are hashed: one for the whole process.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

// SipHash with 128 bits and a key of one's own, which std's hashers do not have.
use siphasher::sip128::{Hasher128, SipHasher24};

/// Drawn when it is first needed, unless the processes of a deployment share one.
static KEY: OnceLock<[u8; 16]> = OnceLock::new();

/// Shares the key with all processes that have this secret. Returns whether no other key was in use before.
pub(super) fn share(secret: &[u8]) -> bool {
    let key = KeyedHash::under(&[0; 16]).part(secret).finish();
    *KEY.get_or_init(|| key) == key
}

/// Hashes parts under the key of the process. Each part has its length before it, so that no two lists of parts are alike.
pub(super) struct KeyedHash(SipHasher24);

impl KeyedHash {
    pub(super) fn new() -> Self {
        Self::under(KEY.get_or_init(draw))
    }

    fn under(key: &[u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(key))
    }

    pub(super) fn part(mut self, part: &[u8]) -> Self {
        self.0.write(&(part.len() as u64).to_le_bytes());
        self.0.write(part);
        self
    }

    pub(super) fn finish(self) -> [u8; 16] {
        self.0.finish128().as_bytes()
    }
}

fn draw() -> [u8; 16] {
    let random = RandomState::new();
    let halves = [random.hash_one(0), random.hash_one(1)];
    let [low, high] = halves.map(u64::to_le_bytes);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&low);
    key[8..].copy_from_slice(&high);
    key
}

/// A checksum under no secret, in 32 hexadecimal digits.
#[cfg(feature = "file")]
pub(crate) fn checksum(bytes: &[u8]) -> super::ScopeName {
    super::ScopeName(KeyedHash::under(&[0; 16]).part(bytes).finish())
}
