"""A workflow's document as the dashboard has sent it: read, or what is wrong with it."""

from __future__ import annotations

from appliance.contract.calls import MAX_DOCUMENT_BYTES, AssignedWorkflow
from appliance.contract.fields import document_digest
from appliance.documents.problems import WrongDocumentError
from appliance.errors import ApplianceError, WrongRequestError
from appliance.workflow.document import Workflow
from appliance.workflow.loading import parse_workflow
from appliance.workflow.presets.files import PresetFiles


def read_assigned(assigned: AssignedWorkflow, text: str, presets: PresetFiles) -> tuple[Workflow | None, str]:
    """The workflow, or what is wrong with its document."""
    try:
        if document_digest(assigned.document) != assigned.digest:
            raise WrongRequestError("The document was cut off or changed: it does not have its digest.")
        if len(text.encode()) > 2 * MAX_DOCUMENT_BYTES:
            raise WrongRequestError(f"The document is larger than {MAX_DOCUMENT_BYTES // 1024} KiB.")
        loaded = parse_workflow(text, "the document", as_json=True, presets=presets)
        # All masks take 3 MB, which the status service has only for documents that come in.
        from appliance.masking.document_check import mask_problems  # noqa: PLC0415

        if problems := mask_problems(loaded.document):
            raise WrongDocumentError(problems)
        if loaded.workflow.id != assigned.id:
            raise WrongRequestError(f"The document's id is not {assigned.id}, under which it was sent.")
    except ApplianceError as error:
        return None, error.text()
    except (RecursionError, UnicodeEncodeError):
        return None, "The document is nested too deeply, or holds text that cannot be stored."
    return loaded.workflow, ""
