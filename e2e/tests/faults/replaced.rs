//! A part that is exchanged for something else.
