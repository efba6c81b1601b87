//! The sleep protocol: a core says that it is about to sleep, looks once more at all it waits
//! for, and sleeps; whoever makes something visible to it then sees the flag and rings.
//!
//! ```text
//!   sleeper                                waker
//!   asleep = true                          publish (tail, head or applied count)
//!   fence                                  fence
//!   look at tails, heads, counts           asleep? take the flag, ring
//! ```
//! Whichever fence comes first, the other side's look sees it: no wake-up is lost. A core that
//! spins never sets its flag, so nobody rings it.

use base::{ShardId, ShardSet};

use crate::sync::{Arc, AtomicBool, Ordering, Padded, fence};

/// How a sleeping core is woken; the runtime does it by `MSG_RING` or eventfd.
pub trait Doorbell {
    /// Wakes `peer`, which sleeps or is about to. It may hear the bell when already awake.
    fn ring(&mut self, peer: ShardId);
}

/// Who is asleep: one flag a shard. A handle that anyone may keep, the control thread included.
#[derive(Clone)]
pub struct Sleepers {
    asleep: Arc<Vec<Padded<AtomicBool>>>,
}

impl Sleepers {
    pub(crate) fn new(shards: usize) -> Sleepers {
        Sleepers { asleep: Arc::new((0..shards).map(|_| Padded::default()).collect()) }
    }

    /// Rings those of `shards` that sleep; says how many. Call it after making visible what they
    /// wait for.
    pub fn wake(&self, shards: ShardSet, doorbell: &mut dyn Doorbell) -> usize {
        if shards.is_empty() {
            return 0;
        }
        // Pairs with the fence in `lie_down`.
        fence(Ordering::SeqCst);
        let mut rung = 0;
        for shard in shards {
            let asleep = &self.asleep[shard.index()].0;
            if asleep.load(Ordering::Relaxed) && asleep.swap(false, Ordering::Relaxed) {
                doorbell.ring(shard);
                rung += 1;
            }
        }
        rung
    }

    /// Says that `me` is about to sleep. Look again at everything afterwards, then sleep.
    pub(crate) fn lie_down(&self, me: ShardId) {
        // A swap, so that it stands after a waker's swap in the flag's own order. (A store does
        // too, by the atomicity of that swap; loom does not know.)
        self.asleep[me.index()].0.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Says that `me` is awake.
    pub(crate) fn get_up(&self, me: ShardId) {
        self.asleep[me.index()].0.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Heard(Vec<u16>);

    impl Doorbell for Heard {
        fn ring(&mut self, peer: ShardId) {
            self.0.push(peer.0);
        }
    }

    #[test]
    fn only_the_sleeping_are_rung_and_only_once() {
        let sleepers = Sleepers::new(3);
        let everyone = (0..3).fold(ShardSet::EMPTY, |mut all, shard| {
            all.insert(ShardId(shard));
            all
        });
        let mut heard = Heard(Vec::new());
        sleepers.lie_down(ShardId(1));
        sleepers.lie_down(ShardId(2));
        sleepers.get_up(ShardId(2));
        assert_eq!(sleepers.wake(everyone, &mut heard), 1);
        assert_eq!(sleepers.wake(everyone, &mut heard), 0);
        assert_eq!(heard.0, [1]);
    }
}
