"""What calls take and answer: frozen dataclasses, each with the fields of a message of the contract."""
