"""One file a screen, and `desk`, which turns a run screen's keys into journal lines and engine requests."""
