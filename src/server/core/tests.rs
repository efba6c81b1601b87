//! Whole cores under a drawn schedule: the rules of design §4, each with a test that breaks when
//! the rule does, and what else only shows when cores and connections meet.

mod accounts;
mod causality;
mod congestion;
mod lifetime;
mod oracle;
mod order;
mod queues;
mod services;
mod simulation;
mod slow;
mod speech;
mod timing;
mod visibility;
