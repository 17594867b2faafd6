"""External Gymnasium environments: ids, parallel copies, and replay from seeds."""
