.DEFAULT_GOAL := help
.PHONY: help demo dev test check contract bench faults clean

help: ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## run two real jobs from submit to visible result; leaves nothing running
	@scripts/bootstrap.sh demo && exec .venv/bin/python tools/demo.py

dev: ## keep a gateway and a node up, and print URL, token and next commands
	@scripts/bootstrap.sh demo && exec .venv/bin/python tools/demo.py --keep

test: ## everything; as root it installs and starts the services that tests need
	@scripts/test.sh

check: ## lint, types, layers: Python, TypeScript and the workflows
	@scripts/check.sh

contract: ## the gates: documents, generated files, the retirement of Redis; all of them always run
	@scripts/contract.sh

bench: ## the limits, measured side by side in one run
	@scripts/bootstrap.sh dev && .venv/bin/python -m benchmarks

faults: ## kill each part at each step of a job on Slurm, and see that nothing is lost or doubled; ARGS="--runs 1000 --rabbitmq"
	@scripts/bootstrap.sh dev && PYTHONPATH=.:tools:tests/flow:tests/faults:tests/services .venv/bin/python tests/faults/run_faults.py $(ARGS)

clean: ## everything that was installed or run here
	@rm -rf .venv .tools .slipway node_modules packages/api-client/node_modules convex/node_modules
