//! Which change of mode is asked for, and whether it may be: pure.

use storage_element_crds::{Mode, Step};

use crate::catalog::Transition;

/// A part of a mode change, as an orchestrator asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Close the door and hold it, durable.
    Prepare,
    /// Change the mode.
    Commit,
    /// Take a prepared change back.
    Abort,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The element has that mode already: nothing is written.
    Nothing,
    /// One step on.
    Forward,
    /// One step back, confirmed.
    Back,
    /// There is no such step.
    NoSuchStep,
    /// A step back that nobody confirmed.
    Unconfirmed,
}

/// Judges the step from `mode` to `target`. That a step does not exist is said before that it wants a confirmation.
pub const fn plan(mode: Mode, target: Mode, confirmed: bool) -> Plan {
    match mode.step_to(target) {
        Step::Same => Plan::Nothing,
        Step::Forward => Plan::Forward,
        Step::Impossible => Plan::NoSuchStep,
        Step::Back if confirmed => Plan::Back,
        Step::Back => Plan::Unconfirmed,
    }
}

/// What a prepared or draining transition means for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None stands, or one whose place this request may take.
    Free,
    /// This request's own.
    Own,
    /// This request's id with a higher attempt: an orchestrator that froze and woke.
    LowerAttempt,
    /// Another one's.
    Others,
}

/// Judges a request against what stands.
pub fn standing(stands: Option<&Transition>, asked: &Transition) -> Standing {
    match stands {
        Some(stands) if stands.id != asked.id => Standing::Others,
        Some(stands) if asked.attempt < stands.attempt => Standing::LowerAttempt,
        Some(stands) if stands == asked => Standing::Own,
        None | Some(_) => Standing::Free,
    }
}

#[cfg(test)]
mod tests {
    use storage_element_crds::Mode;

    use super::{Plan, Standing, plan, standing};
    use crate::catalog::Transition;

    #[test]
    fn no_such_step_is_said_before_unconfirmed() {
        for (mode, target, confirmed, expected) in [
            (Mode::Rw, Mode::Rw, false, Plan::Nothing),
            (Mode::Rw, Mode::Ro, false, Plan::Forward),
            (Mode::Ro, Mode::Ar, false, Plan::Forward),
            (Mode::Ro, Mode::Rw, false, Plan::Unconfirmed),
            (Mode::Ro, Mode::Rw, true, Plan::Back),
            (Mode::Ar, Mode::Ro, true, Plan::Back),
            (Mode::Rw, Mode::Ar, true, Plan::NoSuchStep),
            (Mode::Ar, Mode::Rw, false, Plan::NoSuchStep),
            (Mode::Edit, Mode::Ro, true, Plan::NoSuchStep),
            (Mode::Rw, Mode::Edit, true, Plan::NoSuchStep),
        ] {
            assert_eq!(plan(mode, target, confirmed), expected, "{mode} {target} {confirmed}");
        }
    }

    #[test]
    fn a_lower_attempt_never_takes_the_place_of_a_higher_one() {
        let transition = |id: &str, attempt| Transition { id: id.to_owned(), attempt, target: Mode::Ro };
        let stands = transition("a", 3);
        assert_eq!(standing(None, &stands), Standing::Free);
        assert_eq!(standing(Some(&stands), &transition("a", 3)), Standing::Own);
        assert_eq!(standing(Some(&stands), &transition("a", 4)), Standing::Free);
        assert_eq!(standing(Some(&stands), &transition("a", 2)), Standing::LowerAttempt);
        assert_eq!(standing(Some(&stands), &transition("b", 9)), Standing::Others);
    }
}
