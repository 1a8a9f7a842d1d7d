"""Mail, mailboxes and Outlook messages."""
