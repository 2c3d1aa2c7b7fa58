"""What the files of an attempt's folder are called."""

JOB, RESULT, CURVE, LOG = "job.json", "result.json", "curve.jsonl", "log.txt"
PREDICTIONS, VERIFY = "predictions.safetensors", "verify.json"
ARTEFACT = "artefact"
