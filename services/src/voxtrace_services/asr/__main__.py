from voxtrace_services.core.bootstrap import run

if __name__ == "__main__":
    raise SystemExit(run("asr", "voxtrace_services.asr.worker:main"))
