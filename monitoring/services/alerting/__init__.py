"""Who is told of alerts: rules are followed, messages written and sent."""
