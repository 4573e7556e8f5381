"""QR codes as images."""

from io import BytesIO

import qrcode


def qr_png(text):
    """Return a PNG of the QR code of a text, readable with a seventh of it scratched away."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=10, border=4)
    code.add_data(text)
    buffer = BytesIO()
    code.make_image().save(buffer, format="PNG")
    return buffer.getvalue()
