//! The engine, driven from outside. `KETCH_TEST_ENGINE` names another engine with the same command line.

mod bad_input;
mod change;
mod chaos;
mod checkpoint;
mod cp;
mod crowd;
mod debian;
mod events;
mod export;
mod flags;
mod hello;
mod lifecycle;
mod logs;
mod mount;
mod network;
mod network_crowd;
mod network_verbs;
mod options;
mod pod;
mod pod_chaos;
mod run;
mod service;
mod stats;
mod system;
mod terminal;
mod volume;
