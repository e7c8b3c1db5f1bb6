//! The engine, driven from outside. `KETCH_TEST_ENGINE` names another engine with the same command line.

mod bad_input;
mod change;
mod chaos;
mod crowd;
mod debian;
mod events;
mod hello;
mod lifecycle;
mod logs;
mod options;
mod run;
mod service;
mod stats;
mod terminal;
mod volume;
