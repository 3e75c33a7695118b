"""PROVISIONAL stand-in by the lead; helper B owns and replaces this file."""


def encode(bundle, params, report):
    import numpy as np, polars
    from pathlib import Path
    from core.models.encoders import load_encoder
    t = polars.read_parquet(bundle / "in" / "texts.parquet")
    v = load_encoder(params["encoder"], Path(params["cache"]), 1).encode(t["text"].to_list())
    np.save(bundle / "out" / "shard-00000.npy", v.astype(np.float16))
    report(len(t), len(t))
    return {"records": len(t)}
