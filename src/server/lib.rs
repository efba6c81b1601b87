//! Wiring, the duty cycle of one core, the control thread
