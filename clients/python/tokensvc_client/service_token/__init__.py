"""A service's own token, always at hand: issued when first needed, renewed ahead of its end, attached to calls."""

from tokensvc_client.service_token.interceptor import ServiceTokenInterceptor
from tokensvc_client.service_token.interceptors_aio import service_token_interceptors
from tokensvc_client.service_token.source import AsyncServiceToken, ServiceToken

__all__ = ["AsyncServiceToken", "ServiceToken", "ServiceTokenInterceptor", "service_token_interceptors"]
