.PHONY: run test bench lint tools fuzz prompts

# Builds, starts the server on SQLite under ./var, sends it a day of a small office, serves until Ctrl-C.
run:
	@demo/run.sh

# All that CI runs; installs what it needs where it is missing.
test: tools
	@scripts/test.sh

# The budgets, measured side by side; writes target/bench/budgets.md.
bench: tools
	@scripts/bench.sh

lint: tools
	@scripts/lint.sh

# Every fuzz target for a minute each.
fuzz: tools
	@scripts/fuzz.sh 60

# The IVR's prompts in all languages, into target/prompts; espeak-ng and sox are fetched, not installed, where they are missing.
prompts:
	@scripts/fetch-speech.sh >/dev/null
	@scripts/make-prompts.sh

tools:
	@scripts/install-tools.sh
