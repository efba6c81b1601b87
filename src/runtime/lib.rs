//! Clock, network and placement: the io_uring implementation and its simulated twin
