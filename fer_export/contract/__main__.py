"""Print the JSON schema of contracts as they are written: `python -m fer_export.contract`.

The page's TypeScript interfaces are made from it: `make contract-types`.
"""

import json

from fer_export.contract import Contract

print(json.dumps(Contract.model_json_schema(mode="serialization"), indent=2))
