"""The PACT menu told and drawn, the paper's claims over what it leaves open, rivals."""
