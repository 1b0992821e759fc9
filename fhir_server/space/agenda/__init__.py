"""The health agenda: appointments, the slots and schedules they fill, and what people keep of their own."""
