"""`python -m voxtrace_services.gateway`."""

import sys

from voxtrace_services.core import bootstrap

if __name__ == "__main__":
    sys.exit(bootstrap.run("gateway", "voxtrace_services.gateway.app:run"))
