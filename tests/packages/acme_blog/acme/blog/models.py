from acme.user.models import Base
from sqlalchemy import Column, ForeignKey, Integer, String


class Post(Base):
    __tablename__ = "post"
    id = Column(Integer, primary_key=True)
    title = Column(String(200), nullable=False)
    author_id = Column(ForeignKey("users.id"), nullable=False)
