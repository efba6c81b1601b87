//! SPSC byte rings between cores, their mesh and the doorbell
