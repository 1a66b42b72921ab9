"""The bundled specs; packaged as `archc.specs`."""
