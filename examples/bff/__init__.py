"""A backend for a mobile app: it logs users in, relays refreshes, and shows them where they are signed in."""
