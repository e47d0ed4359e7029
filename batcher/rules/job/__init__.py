"""What makes a job this job."""
