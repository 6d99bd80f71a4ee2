"""Why a worker is given nothing: one class for each reason, its docstring says what happened and what to do."""

from __future__ import annotations


class AttestationRefused(Exception):
    """The evidence is not accepted. Nothing is released to whoever sent it."""

    code = "attestation_refused"

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        super().__init__(self.words)

    @property
    def words(self) -> str:
        """What happened and what to do, in one line; the values that disagree come last."""
        text = " ".join((type(self).__doc__ or self.code).split())
        return f"{text} [{self.detail}]" if self.detail else text


class ReportMalformed(AttestationRefused):
    """This is no SEV-SNP report of a kind we read. Fetch it again; an unknown version needs an update of Obscura."""

    code = "report_malformed"


class SignatureWrong(AttestationRefused):
    """The chip did not sign these bytes: the report was altered. Fetch it again, from the worker itself."""

    code = "signature_wrong"


class VlekNotAccepted(AttestationRefused):
    """The report is signed by a cloud's loaded key (VLEK) and names no chip. Have the host sign with the VCEK."""

    code = "vlek_not_accepted"


class Unsigned(AttestationRefused):
    """The firmware was told not to sign reports. Have the host enable signing with the VCEK."""

    code = "report_unsigned"


class ChainUntrusted(AttestationRefused):
    """The certificates do not lead to a pinned AMD root. Fetch the chain of this product from AMD's KDS again."""

    code = "chain_untrusted"


class ChainExpired(AttestationRefused):
    """A certificate is not valid at this time. Check the clock, then fetch the certificates from AMD's KDS again."""

    code = "chain_expired"


class Revoked(AttestationRefused):
    """AMD revoked a certificate of this chain. Move the worker to another machine; there is no way around it."""

    code = "revoked"


class RevocationUnknown(AttestationRefused):
    """The revocation list is out of date, not this root's, or none at all. Fetch it from AMD's KDS again."""

    code = "revocation_unknown"


class RevocationMissing(AttestationRefused):
    """The policy asks for a revocation list, and none can be had. Let this machine reach AMD's KDS, or bring a list."""

    code = "revocation_missing"


class ChipDiffers(AttestationRefused):
    """The report comes from another chip than the certificate, or hides which. Fetch the VCEK for this chip id."""

    code = "chip_differs"


class TcbDiffers(AttestationRefused):
    """The certificate is for other firmware versions than the report. Fetch the VCEK for the report's own TCB."""

    code = "tcb_differs"


class ProductNotAllowed(AttestationRefused):
    """The policy does not allow this generation of processor. Run the worker on one that it names."""

    code = "product_not_allowed"


class GuestPolicyInvalid(AttestationRefused):
    """Bit 17 of the guest policy is not set, as the ABI demands. Launch the guest with a valid policy."""

    code = "guest_policy_invalid"


class DebugAllowed(AttestationRefused):
    """The host may read the guest's memory in debug mode. Launch the guest with the debug bit of its policy off."""

    code = "debug_allowed"


class MigrationAllowed(AttestationRefused):
    """A migration agent may move the guest's memory elsewhere. Launch it with the migration bit of its policy off."""

    code = "migration_allowed"


class SmtNotAllowed(AttestationRefused):
    """The guest may share cores with its neighbours. Launch it with the SMT bit of its policy off."""

    code = "smt_not_allowed"


class TcbTooOld(AttestationRefused):
    """The machine's firmware is older than the policy's minimum. Have the host update it, and launch the guest anew."""

    code = "tcb_too_old"


class VmplNotAllowed(AttestationRefused):
    """The report was asked for at another privilege level than allowed. Ask at the level that the policy names."""

    code = "vmpl_not_allowed"


class MeasurementUnknown(AttestationRefused):
    """What was launched is not on the allow-list. Compute the digest of the build yourself, then allow exactly that."""

    code = "measurement_unknown"


class ReportDataWrong(AttestationRefused):
    """The report belongs to another key or question: a relay or a replay. Ask the worker itself, on its own line."""

    code = "report_data_wrong"


class AttestationExpired(AttestationRefused):
    """The evidence was obtained too long ago. Ask the worker for it again."""

    code = "attestation_expired"


class AttestationNotYet(AttestationRefused):
    """The evidence was obtained in the future. Correct the clock of this machine."""

    code = "attestation_not_yet"
