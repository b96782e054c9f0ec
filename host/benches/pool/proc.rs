//! What /proc tells of processes: memory, processor time, wake-ups.
