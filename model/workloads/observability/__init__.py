"""What is measured, what is an alert, where alerts and logs go."""
