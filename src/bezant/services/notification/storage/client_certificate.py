"""The certificate that Bezant shows to receivers that ask for one (mutual TLS), kept in the secret store."""

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bezant.contracts.problems import Unavailable
from bezant.foundation.secrets import SecretMissing, SecretStore, platform_secret_name
from bezant.foundation.secrets.store import SecretStoreUnavailable

CLIENT_CERTIFICATE: Final = platform_secret_name("webhook-client-certificate")
_CACHED_SECONDS: Final = 300.0


class ClientCertificateUnavailable(Unavailable):
    """The secret store does not give the certificate for mutual TLS."""

    code = "client_certificate_unavailable"
    title = "The client certificate cannot be read now"


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A certificate chain and its private key, PEM."""

    certificate: str
    private_key: str

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the certificate, hexadecimal."""
        return hashlib.sha256(self._parsed.public_bytes(Encoding.DER)).hexdigest()

    @property
    def expires_at(self) -> datetime:
        """When the certificate expires."""
        return self._parsed.not_valid_after_utc

    @property
    def _parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.encode())


class ClientCertificate:
    """Reads the certificate; a new one in the secret store is used within five minutes."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._read_at = 0.0
        self._pair: CertificatePair | None = None

    async def read(self) -> CertificatePair:
        """Return the certificate and its key. Raises `ClientCertificateUnavailable`."""
        if self._pair is None or time.monotonic() - self._read_at > _CACHED_SECONDS:
            try:
                secret = await self._secrets.read(CLIENT_CERTIFICATE)
            except (SecretMissing, SecretStoreUnavailable) as error:
                raise ClientCertificateUnavailable(
                    f"The client certificate cannot be read ({type(error).__name__}).", retry_after_seconds=5
                ) from error
            self._pair = CertificatePair(secret["certificate"], secret["private_key"])
            self._read_at = time.monotonic()
        return self._pair
