package peer;

import java.util.List;
import java.util.Map;

/** What the job reads of an event; the rest is passed over. Times are texts of one length, which compare as they are. */
public final class Event {
  public String id;
  public String type;
  public String time;
  public Map<String, String> identity;
  public Money value;
  public Properties properties;
  public List<Item> items;

  public static final class Money {
    public String amount;
  }

  public static final class Properties {
    public String checkout_id;
    public String sku;
    public int quantity;
  }

  public static final class Item {
    public String sku;
    public String name;
    public Money price;
    public int quantity;
  }
}
