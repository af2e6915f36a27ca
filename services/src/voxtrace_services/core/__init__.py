"""What every service shares: messages, broker, artifacts, settings, logs and start-up."""
