//! Elections by the thousand: the protocol of `crate::protocol`, unchanged, in worlds whose clocks, networks, servers and
//! owners do what they like. A world is a seed, and a seed repeats.
//!
//! `LEASE_SEEDS=100000` for the long form; `LEASE_SEED=n` tells the story of one.

mod candidate;
mod clocks;
mod course;
mod dice;
mod faults;
mod law;
mod mutants;
mod running;
mod server;
mod trouble;
mod world;

use self::course::{Summary, live};
use self::law::Violation;
use self::world::World;
use crate::protocol::Rule;

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Broken {
    #[default]
    Nothing,
    /// A rule of the protocol.
    Rule(Rule),
    /// The clock stands still while the machine is suspended, as `CLOCK_MONOTONIC` does.
    ClockSleeps,
}

impl Broken {
    const fn rule(self) -> Option<Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Nothing | Self::ClockSleeps => None,
        }
    }
}

fn play(seed: u64, broken: Broken) -> Result<Summary, Violation> {
    live(&mut World::new(seed, broken, false))
}

/// Plays it again, and tells what happened.
fn story(seed: u64, broken: Broken) -> String {
    let mut world = World::new(seed, broken, true);
    let outcome = live(&mut world);
    format!("{}\n{outcome:?}", world.trace.unwrap_or_default().join("\n"))
}

#[test]
fn no_two_write_and_somebody_does() {
    if let Some(seed) = number("LEASE_SEED") {
        println!("{}", story(seed, Broken::Nothing));
        play(seed, Broken::Nothing).unwrap();
        return;
    }
    let seeds = number("LEASE_SEEDS").unwrap_or(2_000);
    let begun = std::time::Instant::now();
    let halves = [0, 1].map(|half| {
        std::thread::spawn(move || {
            let mut sum = Summary::default();
            for seed in (half..seeds).step_by(2) {
                match play(seed, Broken::Nothing) {
                    Ok(summary) => (sum.terms, sum.events) = (sum.terms + summary.terms, sum.events + summary.events),
                    Err(Violation(what)) => {
                        let story = story(seed, Broken::Nothing);
                        let end: Vec<_> = story.lines().rev().take(40).collect();
                        let end: Vec<_> = end.into_iter().rev().collect();
                        panic!("seed {seed}: {what}\n{}\nLEASE_SEED={seed} tells all of it", end.join("\n"));
                    }
                }
            }
            sum
        })
    });
    let (mut terms, mut events) = (0, 0);
    for half in halves {
        let sum = half.join().unwrap_or_else(|failed| std::panic::resume_unwind(failed));
        (terms, events) = (terms + sum.terms, events + sum.events);
    }
    println!("{seeds} seeds, {terms} terms, {events} events in {:?}", begun.elapsed());
    assert!(terms > seeds, "too little happens: {terms} terms in {seeds} worlds");
}

#[test]
fn a_seed_repeats() {
    for seed in [3, 77, 1999] {
        assert_eq!(story(seed, Broken::Nothing), story(seed, Broken::Nothing));
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
