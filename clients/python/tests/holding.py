"""The key of clients that authenticate by assertions, in every form."""

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
JWK = {**jwt.get_algorithm_by_name("ES256").to_jwk(KEY, as_dict=True), "kid": "k-1"}
PUBLIC = {**jwt.get_algorithm_by_name("ES256").to_jwk(KEY.public_key(), as_dict=True), "kid": "k-1"}
PUBLIC.pop("key_ops", None)
