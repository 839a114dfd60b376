from service.models.hardware import Hardware

FLOAT32 = Hardware("cpu", bfloat16=False, threads=2)
BFLOAT16 = Hardware("cpu", bfloat16=True, threads=2)
