"""The methods of the service, one file for each of its services, written once as coroutines over a transport."""
