from voxtrace_services.core.bootstrap import run

if __name__ == "__main__":
    raise SystemExit(run("synthesis", "voxtrace_services.synthesis.worker:main"))
