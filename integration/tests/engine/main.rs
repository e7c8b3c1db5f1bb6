//! The engine, driven from outside. `KETCH_TEST_ENGINE` names another engine with the same command line.

mod bad_input;
mod chaos;
mod crowd;
mod debian;
mod hello;
mod lifecycle;
mod logs;
mod options;
mod run;
mod terminal;
mod volume;
