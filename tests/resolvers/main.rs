//! Where account tokens come from, and what a server does when they change: rows N10 to N12 and
//! A07, as far as it is about accounts that change while their users are connected.

mod cache;
mod changes;
mod folder;
mod operator;
mod tiers;
mod web;
