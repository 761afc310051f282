"""What single values cannot show: settings that contradict one another, or can hardly be meant."""
