"""Programs that use tokensvc, each small enough to be read in five minutes: `make example-orders` and its sisters."""
