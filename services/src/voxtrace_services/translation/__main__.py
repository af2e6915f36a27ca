from voxtrace_services.core.bootstrap import run

if __name__ == "__main__":
    raise SystemExit(run("translation", "voxtrace_services.translation.worker:main"))
