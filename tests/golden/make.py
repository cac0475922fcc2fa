"""Makes every golden capture anew: `python -m tests.golden.make`."""

from tests.golden.manifest import GOLDENS


def main() -> None:
    for golden in GOLDENS:
        data = golden.encode()
        golden.path.parent.mkdir(exist_ok=True)
        golden.path.write_bytes(data)
        print(f"{len(data):7,}  {golden.detector}/{golden.name}.pcapng")


if __name__ == "__main__":
    main()
